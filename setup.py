"""The packages of the distribution: every folder of the five below, under the name ``fineline``."""

from setuptools import find_packages, setup

FOLDERS = ("assets", "data_contracts", "jobs", "resources", "schedules")

setup(
    packages=[
        f"fineline.{name}"
        for folder in FOLDERS
        for name in (folder, *(f"{folder}.{below}" for below in find_packages(folder)))
    ],
    package_dir={f"fineline.{folder}": folder for folder in FOLDERS},
)
