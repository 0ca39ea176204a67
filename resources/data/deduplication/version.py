"""Versions of the tables that this package computes: a change that alters results raises one."""

SIGNATURES_VERSION = "2"  # minhash_signatures
CLUSTERS_VERSION = "2"  # duplicate_clusters
