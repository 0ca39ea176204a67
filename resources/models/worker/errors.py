"""The error of the model half that a user can mend."""


class ModelError(Exception):
    """Something that a user can mend. ``message`` says what is wrong, ``fix`` what to do about it."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(f"{message} {fix}")
        self.message = message
        self.fix = fix
