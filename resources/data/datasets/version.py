"""Version of the datasets: a change that alters results raises it, and the tables are rebuilt."""

VERSION = "1"
