"""The version of the code that makes the base model."""

VERSION = "1"
