"""The version of the code that makes trained models."""

VERSION = "2"
