"""Versions of the tables that this package computes: a change that alters results raises one."""

LABEL_ISSUES_VERSION = "3"  # label_issues
CURATED_CORPUS_VERSION = "4"  # curated_corpus
