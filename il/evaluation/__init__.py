"""Measuring the policies of finished runs again: on fresh episodes, through noise, beside the expert."""
