"""Raw rows to training sets, one package a step."""
