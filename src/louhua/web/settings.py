"""Django's settings, made from Louhua's own configuration: there is one configuration file, not two."""

from pathlib import Path

from louhua.config import current
from louhua.db.pool import database_url, django_database
from louhua.web.console import theme
from louhua.web.console.limits import ATTEMPTS, COOL_OFF, SESSION
from louhua.web.hosts import allowed_hosts
from louhua.web.secret import secret_key

_config = current()

DEBUG = False
SECRET_KEY = _config.web.secret or secret_key(_config.node.data)
ALLOWED_HOSTS = allowed_hosts(_config.web)
INSTALLED_APPS = [
    "louhua.subscribers",
    "louhua.charging",
    "louhua.alerts",
    "louhua.reachability",
    "louhua.texts",
    "louhua.voicemail",
    "unfold.apps.BasicAppConfig",
    "louhua.web.console.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "louhua.web.console.apps.LockOutConfig",
    "auditlog",
    "louhua.web.console.apps.ConsoleConfig",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "louhua.web.console.middleware.Headers",
    "louhua.web.console.middleware.Sessions",
    "louhua.web.console.middleware.Language",
    "louhua.web.console.middleware.Csrf",
    "louhua.web.console.middleware.Accounts",
    "louhua.web.console.middleware.Messages",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
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

STATIC_URL = "/static/"
UNFOLD = theme.UNFOLD

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
SESSION_COOKIE_AGE = int(SESSION.total_seconds())
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = "/console/"

AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = ATTEMPTS
AXES_COOLOFF_TIME = COOL_OFF
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

AUDITLOG_MASK_CALLABLE = "louhua.web.console.records.hidden"
# The login form says what axes' middleware would.
SILENCED_SYSTEM_CHECKS = ["axes.W002"]
