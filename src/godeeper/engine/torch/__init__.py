"""The PyTorch engine, and networks as plain ``torch.nn`` modules."""
