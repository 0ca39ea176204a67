"""The version of the code that makes evaluation."""

VERSION = "1"
