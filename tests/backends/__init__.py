"""All builders and trained models on other backends than TensorFlow's, in an environment that does not have TensorFlow.

`make backends` sets it up and has `references.py` write first what TensorFlow computes.
"""
