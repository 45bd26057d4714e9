"""What is decided without a look at anything but the arguments. Pure."""
