"""Two models trained on real data, whose bundles are committed under models/."""
