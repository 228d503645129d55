from convnext_dense_doctor import __doc__, add_arguments, run

__all__ = ['__doc__', 'add_arguments', 'run']
