"""The version of the code that decides on retraining."""

VERSION = "1"
