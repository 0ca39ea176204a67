"""One form for every base model: folder, tokens, generation."""
