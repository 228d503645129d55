"""How good frozen weights are for given classes: cached features, a linear classifier, and nearest neighbors."""
