"""The exceptions that commands turn into a sentence and an exit code."""


class UserError(Exception):
    """A mistake the user can mend: the message is one sentence that says what was wrong and what is allowed."""


class WorkerDoneError(Exception):
    """Training on several machines ended, and this process is not the one that exports and scores the model."""


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception says, or its type if it says nothing."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


class TrainingDivergedError(RuntimeError):
    """The loss became NaN or infinite."""
