"""The version of the code that makes the release."""

VERSION = "5"
