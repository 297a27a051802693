"""The app for ASGI servers: ``uvicorn --factory noisevote.service.main:create``."""

from fastapi import FastAPI

from noisevote.service.processes.worker_folder import share_counters_if_worker


def create() -> FastAPI:
    """Build the app from the environment and the settings file that it names.

    Raises:
        InputError: a setting is wrong.
    """
    share_counters_if_worker()
    # Only now: what counts asks for the folder of the workers when it is imported.
    from noisevote.service.app import lasting_app
    from noisevote.service.configuration.reading import check_at_start, load_settings
    from noisevote.service.log.output import write_logs

    settings = load_settings()
    check_at_start(settings)
    write_logs(settings.log_format, settings.log_level)
    return lasting_app(settings)
