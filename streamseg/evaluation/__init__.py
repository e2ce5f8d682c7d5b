"""How good a model is on labelled pictures: the deployed one, through the product's own preprocessing."""
