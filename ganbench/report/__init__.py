"""Tables and plots, written for the target that reads them."""
