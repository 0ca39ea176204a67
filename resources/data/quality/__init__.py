"""Quality measures and the named rules that judge them."""
