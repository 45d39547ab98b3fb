"""Pods, run for real."""
