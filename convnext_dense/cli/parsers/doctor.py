from convnext_dense_doctor import __doc__, add_arguments

__all__ = ['__doc__', 'add_arguments']
