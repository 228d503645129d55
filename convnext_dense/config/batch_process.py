"""A process of its own that tries batches, so that nothing of a run is touched and a failure ends only the trial.

The parent writes a batch on a line of the child's standard input, and gets an answer as a line of JSON.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import IO, Any, NamedTuple

from mmengine.config import Config
from mmengine.utils import import_modules_from_strings

from ..engine.batch_search import Trial
from ..errors import UserError, describe_error

OF_LAUNCHER = ('RANK', 'WORLD_SIZE', 'LOCAL_WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT', 'TORCHELASTIC_RUN_ID')
"""Variables of a distributed run, in which a trial takes no part; LOCAL_RANK chooses its GPU."""
ONE_VALUE = 'Expected more than 1 value per channel'
"""Beginning of torch's message for a BatchNorm that gets one value."""


class Facts(NamedTuple):
    """What a trial process tells first."""

    images: int
    """Training images."""
    size: tuple[int, int]
    """Height and width of the largest batches."""
    limit: int | None
    """Bytes that the trial may use."""
    on_gpu: bool
    image_bytes: int
    """Bytes of the largest image, as a loader worker prepares it."""


class TrialProcess:
    """Process that tries batches; a context that ends it.

    Args:
        cfg: the config of the run, ready for the runner.
        processes: number of processes that train together.
        sharing: number of those that share the memory of this machine.
    """

    def __init__(self, cfg: Config, processes: int = 1, sharing: int = 1) -> None:
        self._request = pickle.dumps((cfg.to_dict(), processes, sharing))
        self._child: subprocess.Popen | None = None
        self._log: IO[str] | None = None

    def __enter__(self) -> TrialProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def start(self) -> Facts:
        """Start the process.

        Raises:
            UserError: if it can't train, for another reason than memory.
        """
        self._end()
        self._log = tempfile.TemporaryFile('w+')  # noqa: SIM115 - closed with the process
        environment = {name: value for name, value in os.environ.items() if name not in OF_LAUNCHER}
        package = str(Path(__file__).parents[2])
        environment['PYTHONPATH'] = os.pathsep.join(filter(None, (package, os.environ.get('PYTHONPATH'))))
        self._child = subprocess.Popen(
            [sys.executable, '-c', f'from {__name__} import serve; serve()'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
        )
        answer = self._ask(len(self._request).to_bytes(8, 'big') + self._request)
        if answer is None:
            raise UserError(f'--batch auto could not try a training step: {self._last_words()}; give --batch N')
        if 'error' in answer:
            raise UserError(answer['error'])
        return Facts(**{**answer, 'size': tuple(answer['size'])})

    def try_batch(self, batch: int) -> Trial:
        """Try a batch; one that ends the process does not fit.

        Raises:
            UserError: if the step fails for another reason than memory.
        """
        if self._child is None or self._child.poll() is not None:
            self.start()
        answer = self._ask(f'{batch}\n'.encode())
        if answer is None:
            return Trial(batch, fits=False)
        if answer.pop('is_fatal', False):
            raise UserError(f'--batch auto could not try a training step: {answer["error"]}; give --batch N')
        return Trial(**answer)

    def _ask(self, request: bytes) -> dict[str, Any] | None:
        """Send a request and return the answer; None if the process has ended."""
        assert self._child is not None and self._child.stdin is not None and self._child.stdout is not None
        try:
            self._child.stdin.write(request)
            self._child.stdin.flush()
        except OSError:
            pass
        line = self._child.stdout.readline()
        if not line:
            self._child.wait()
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        assert self._log is not None and self._child is not None
        self._log.seek(0)
        lines = [line.strip() for line in self._log if line.strip()]
        return lines[-1] if lines else f'its process ended with exit code {self._child.returncode}'

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None
        if self._log is not None:
            self._log.close()
            self._log = None


def serve() -> None:
    """Run the child: read the config, tell the facts, and answer for each batch until the input ends."""
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)  # whatever libraries print is no answer

    def answer(**values: Any) -> None:
        print(json.dumps(values), file=answers, flush=True)

    source = sys.stdin.buffer
    settings, processes, sharing = pickle.loads(source.read(int.from_bytes(source.read(8), 'big')))
    try:
        _serve(Config(settings), processes, sharing, source, answer)
    except UserError as error:
        answer(error=str(error))
    except Exception as error:
        traceback.print_exc()
        answer(error=f'--batch auto could not try a training step: {describe_error(error)}; give --batch N')
    answers.flush()
    os._exit(0)


def _serve(cfg: Config, processes: int, sharing: int, source: IO[bytes], answer: Any) -> None:
    if cfg.get('custom_imports'):
        import_modules_from_strings(**cfg.custom_imports)
    import torch

    from ..engine import Runner
    from ..engine.batch_trial import TrialLoop, bytes_of, free_memory, limited_memory, trial_config
    from ..tasks import task_of

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get('LOCAL_RANK', 0)))
    limit = free_memory(sharing)

    def session(loop: TrialLoop) -> None:
        largest = max(bytes_of(loop.batch(count)) // count for count in range(1, len(loop.samples) + 1))
        facts = Facts(len(loop.dataloader.dataset), loop.size, limit, torch.cuda.is_available(), largest)
        parameters = [p for p in loop.runner.model.parameters() if p.requires_grad]
        buckets = [torch.ones_like(p) for p in parameters] if processes > 1 else []  # DDP's, for its all-reduce
        answer(**facts._asdict())
        for line in iter(source.readline, b''):
            answer(**_try(loop, int(line)))
        del buckets

    with tempfile.TemporaryDirectory() as folder, limited_memory(limit if limit is not None else sys.maxsize):
        cfg = trial_config(cfg, folder)
        task_of(cfg).check_trainable(cfg)
        with Runner.from_cfg(cfg) as runner:
            task_of(cfg).check_model(runner.bare_model, cfg.model)
            runner.train_loop.session = session
            runner.train()


def _try(loop: Any, batch: int) -> dict[str, Any]:
    try:
        return dict(loop.try_batch(batch)._asdict())
    except UserError as error:
        return Trial(batch, False, error=str(error))._asdict()
    except ValueError as error:
        if ONE_VALUE in str(error):
            reason = f'a BatchNorm needs more than {batch} value per channel: train on larger images or batches'
            return Trial(batch, False, error=reason)._asdict()
        traceback.print_exc()
        return {'is_fatal': True, 'error': describe_error(error)}
    except Exception as error:
        traceback.print_exc()
        return {'is_fatal': True, 'error': describe_error(error)}
