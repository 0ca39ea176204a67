"""Launch configurations, as a person gives them in the UI."""


def forced(*assets, **options):
    """The run configuration that has assets made although nothing has changed."""
    return {"ops": {asset: {"config": {"force": True, **options}} for asset in assets}}
