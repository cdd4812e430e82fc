"""Pictures that activate a filter as much as possible, and whether to believe them."""
