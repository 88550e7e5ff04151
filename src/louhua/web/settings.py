"""Django's settings, made from Louhua's own configuration: there is one configuration file, not two."""

from pathlib import Path

from louhua.config import current
from louhua.db.pool import database_url, django_database
from louhua.web.hosts import allowed_hosts
from louhua.web.secret import secret_key

_config = current()

DEBUG = False
SECRET_KEY = secret_key(_config.node.data)
ALLOWED_HOSTS = allowed_hosts(_config.web)
INSTALLED_APPS = [
    "louhua.subscribers",
    "louhua.charging",
    "louhua.alerts",
    "louhua.reachability",
    "louhua.texts",
    "louhua.voicemail",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
ROOT_URLCONF = "louhua.web.urls"
DATABASES = {"default": django_database(database_url(_config))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = _config.service.timezone
LANGUAGE_CODE = _config.service.language
LANGUAGES = [("zh-hans", "简体中文"), ("en", "English")]
LOCALE_PATHS = [Path(__file__).parent / "locale"]
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
LOGGING_CONFIG = None
