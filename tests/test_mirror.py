"""Tests mirror the package file by file: ``convnext_dense/a/b.py`` is tested by ``tests/a/test_b.py``."""

import ast
from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / 'convnext_dense'

# Modules without a test file of their own, each with the tests that would fail with it.
TESTED_ELSEWHERE = {
    'analysis/coco_predictions.py': 'cli/commands/test_test.py',
    'analysis/environment.py': 'benchmark/test_report.py',
    'benchmark/peers.py': 'benchmark/test_classifier.py',
    'benchmark/weights.py': 'benchmark/test_classifier.py',
    'cli/parsers/adapt.py': 'cli/commands/test_adapt.py',
    'cli/parsers/benchmark.py': 'cli/commands/test_benchmark.py',
    'cli/parsers/check_data.py': 'cli/commands/test_check_data.py',
    'cli/parsers/compare.py': 'cli/commands/test_compare.py',
    'cli/parsers/config.py': 'cli/commands/test_config.py',
    'cli/parsers/convert_data.py': 'cli/commands/test_convert_data.py',
    'cli/parsers/convert_weights.py': 'cli/commands/test_convert_weights.py',
    'cli/diagnosis_arguments.py': 'cli/commands/test_diagnose.py',
    'cli/parsers/demo.py': 'cli/commands/test_demo.py',
    'cli/parsers/diagnose.py': 'cli/commands/test_diagnose.py',
    'cli/parsers/export_onnx.py': 'cli/commands/test_export_onnx.py',
    'cli/parsers/find_lr.py': 'cli/commands/test_find_lr.py',
    'cli/parsers/flops.py': 'cli/commands/test_flops.py',
    'cli/parsers/list.py': 'cli/commands/test_list.py',
    'cli/parsers/param_groups.py': 'cli/commands/test_param_groups.py',
    'cli/parsers/plot_log.py': 'cli/commands/test_plot_log.py',
    'cli/parsers/probe.py': 'cli/commands/test_probe.py',
    'cli/parsers/push.py': 'cli/commands/test_push.py',
    'cli/parsers/report.py': 'cli/commands/test_report.py',
    'cli/parsers/roadmap.py': 'cli/commands/test_roadmap.py',
    'cli/parsers/run_stock.py': 'cli/commands/test_run_stock.py',
    'cli/parsers/sample.py': 'cli/commands/test_sample.py',
    'cli/parsers/test.py': 'cli/commands/test_test.py',
    'cli/parsers/train.py': 'cli/commands/test_train.py',
    'cli/parsers/tune.py': 'cli/commands/test_tune.py',
    'cli/prepared_test.py': 'cli/commands/test_diagnose.py',
    'cli/test_arguments.py': 'cli/commands/test_diagnose.py',
    'cli/parsers/weights.py': 'cli/commands/test_weights.py',
    'data/check/classes.py': 'data/detection/test_check.py',
    'data/check/records.py': 'data/segmentation/test_check.py',
    'data/formats/text_files.py': 'data/formats/test_yolo.py',
    'data/formats/voc_files.py': 'data/formats/test_voc.py',
    'data/formats/voc_layout.py': 'data/formats/test_voc.py',
    'data/formats/voc_xml.py': 'data/formats/test_voc.py',
    'data/formats/yolo_config.py': 'data/formats/test_yolo.py',
    'data/formats/yolo_data.py': 'data/formats/test_yolo.py',
    'data/formats/yolo_files.py': 'data/formats/test_yolo.py',
    'data/formats/yolo_labels.py': 'data/formats/test_yolo.py',
    'data/formats/yolo_names.py': 'data/formats/test_yolo.py',
    'data/formats/annotation_files.py': 'data/formats/test_coco_find.py',
    'data/formats/image_folder.py': 'data/formats/test_coco_find.py',
    'data/detection/instances.py': 'data/detection/test_dataset.py',
    'data/formats/building.py': 'data/formats/test_labelme.py',
    'data/formats/supervisely_shapes.py': 'data/formats/test_supervisely.py',
    'data/layouts.py': 'data/formats/test_coco_find.py',
    'engine/kept_maps.py': 'engine/test_tiled_evaluation.py',
    'engine/evaluation_loops.py': 'e2e/test_classifier.py',
    'models/network_input.py': 'models/tiled/test_model.py',
    'models/tiled/convert.py': 'models/tiled/test_model.py',
    'models/tiled/scores.py': 'models/tiled/test_model.py',
    'export/hub/safetensors_file.py': 'export/hub/test_hf_layout.py',
    'inference/image_ids.py': 'cli/commands/test_demo.py',
    'inference/files.py': 'cli/commands/test_demo.py',
    'inference/fingerprint.py': 'inference/test_predictor_tiles.py',
    'inference/read_images.py': 'inference/test_predictor.py',
    'io/cache.py': 'data/segmentation/test_mask_scan.py',
    'ops/common.py': 'ops/test_extension.py',
    'registry.py': 'test_package.py',
    'results/label_map.py': 'results/test_segmentation.py',
    'results/tag_places.py': 'results/test_drawing.py',
    'roadmap/runs.py': 'cli/commands/test_roadmap.py',
    'sample_data/coco.py': 'sample_data/test_writer.py',
    'sample_data/draw_once.py': 'sample_data/test_create.py',
    'sample_data/pen.py': 'sample_data/test_things.py',
    'data/formats/table_format.py': 'data/formats/test_csv_boxes.py',
    'tasks/task_data.py': 'tasks/test_base.py',
    'tasks/square_images.py': 'tasks/test_classification.py',
    'data/image_files_dataset.py': 'data/classification/test_dataset.py',
    'weights/published_preprocessing.py': 'weights/test_preprocessing.py',
    'tasks/drawn_annotations.py': 'tasks/test_detection.py',
    'tasks/mmdet_models.py': 'tasks/test_detection.py',
    'tasks/slide_window.py': 'tasks/test_segmentor_sizes.py',
}
# Test files of no single module, each with their subject.
OF_NO_MODULE = {
    'analysis/page/test_in_browser.py': 'the scripts of analysis/page/assets, in Chromium',
    'analysis/page/test_images_in_browser.py': 'the browser of predictions and its viewer, in Chromium',
    'analysis/page/test_overview_in_browser.py': 'the overview of several runs, in Chromium',
    'compat/test_only_here.py': 'the rule that only compat/ changes other libraries',
    'checkpoints/test_resume_schedulers.py': 'schedulers in checkpoints/resume.py',
    'cli/commands/test_demo_annotations.py': 'the --format of cli/commands/demo.py',
    'cli/commands/test_demo_tiles.py': 'the --tile of cli/commands/demo.py',
    'data/formats/test_recognition.py': 'the functions of data/formats/__init__.py, with the folders of all writers',
    'engine/test_point_sampling.py': 'the random points of heads with queries, which engine/train_loop.py seeds',
    'inference/test_predictor_tiles.py': 'the tiles of inference/predictor.py',
    'models/test_query_segmentor.py': 'models/segmentor.py with heads that predict by queries',
    'models/tiled/test_equals_whole.py': 'models/tiled/ with real networks, beside whole inference',
    'models/tiled/test_same_instances.py': 'models/tiled/ with a detector that has learned, beside whole inference',
    'models/test_slide.py': 'the sliding window of models/segmentor.py, beside whole inference',
    'ops/test_stack.py': 'ops/ inside mmcv, mmdet and mmseg, in an interpreter of its own',
    'weights/test_last_norm.py': 'the norm of the last output in weights/loading.py',
    'tasks/test_lookup.py': 'the functions of tasks/__init__.py',
    'test_messages.py': 'the texts of all messages',
    'test_mirror.py': 'this rule',
    'test_package.py': 'convnext_dense/__init__.py',
}


def test_every_module_has_its_test_file_or_is_listed():
    absent = {str(module.relative_to(PACKAGE)) for module in modules() if not mirror_of(module).exists()}
    assert absent == TESTED_ELSEWHERE.keys()


def test_every_test_file_has_its_module_or_is_listed():
    folders = {TESTS / folder.relative_to(PACKAGE) for folder in [PACKAGE, *PACKAGE.rglob('*/')]}
    files = {file for folder in folders for file in folder.glob('test_*.py')}
    mirrored = {mirror_of(module) for module in PACKAGE.rglob('*.py')}
    assert {str(file.relative_to(TESTS)) for file in files - mirrored} == OF_NO_MODULE.keys()


def test_the_places_of_other_tests_exist():
    assert [place for place in TESTED_ELSEWHERE.values() if not (TESTS / place).exists()] == []


def modules() -> list[Path]:
    """All modules in which a function is defined: the others are constants, types and re-exports."""
    files = (file for file in PACKAGE.rglob('*.py') if file.name != '__init__.py')
    return [file for file in files if any(isinstance(n, ast.FunctionDef) for n in ast.walk(tree_of(file)))]


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def mirror_of(module: Path) -> Path:
    return TESTS / module.relative_to(PACKAGE).with_name(f'test_{module.name}')
