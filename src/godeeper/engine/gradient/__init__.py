"""Gradients of any tensor with respect to the network's input, other tensors and parameters, without PyTorch."""
