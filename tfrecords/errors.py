"""The one error for what a user gave and the program cannot use."""


class InputError(ValueError):
    """Raised for a file, folder, flag or weight that cannot be used.

    Its message says what came, what was wanted and what to do. The command
    line prints it without a traceback.
    """
