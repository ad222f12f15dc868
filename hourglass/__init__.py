"""Image autoencoders: data sets, networks, training, metrics and figures, with no path of any project in them."""
