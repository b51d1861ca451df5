def pytest_collection_modifyitems(items):
    """Begin with the longest test, so that it runs beside all others and not after them."""
    items.sort(key=lambda item: item.path.name != "test_switches.py")
