"""The larger commands of ``noisevote``, one file each."""
