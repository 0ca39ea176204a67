from support.models import tiny_model_folder

__all__ = ["tiny_model_folder"]
