"""The exceptions that commands turn into a sentence and an exit code."""


class UserError(ValueError):
    """A mistake the user can mend: the message is one sentence that says what was wrong and what is allowed."""


class TrainingDivergedError(RuntimeError):
    """The loss became NaN or infinite."""
