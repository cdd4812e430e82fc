"""``godeeper serve``: the microscope, a web page to walk through the network with one's own photo."""
