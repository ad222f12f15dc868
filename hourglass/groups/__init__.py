"""What is known of the models of a group, put together: their scores, curves, and pictures of the same test images."""
