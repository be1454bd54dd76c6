"""Everything an operator may set, read once from the environment (docs/operations.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.ciphers import Suite
from core.database import parse_url
from core.errors import BadInput
from core.forms import rule_of
from core.sql import DUCKDB, EngineLimits, engine_name
from hub.conditions.zones import networks


class Settings(BaseSettings):
    """One hub's settings; each is the environment variable ``HUB_`` + its name."""

    model_config = SettingsConfigDict(env_prefix="HUB_", frozen=True, extra="ignore")

    home: Path = Field(default=Path(".hub"), description="Folder of all the hub keeps itself.")
    database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL 15 or newer; unset: the hub starts its own."
    )
    lake_url: str | None = Field(
        default=None, description="Folder or object store of the lake; unset: HUB_HOME/lake."
    )
    keys_file: Path | None = Field(
        default=None, description="Key file; unset: the hub makes one (development only)."
    )
    keys: SecretStr | None = Field(
        default=None, description="The master secret itself, in place of a key file."
    )
    keys_command: SecretStr | None = Field(
        default=None, description="A program that prints the master secret."
    )
    crypto: Suite = Field(
        default=Suite.AES, description="Ciphers: aes, or sm for the national SM3 and SM4."
    )
    mode: Literal["development", "production"] = Field(
        default="development", description="production refuses keys the hub made itself."
    )
    language: Literal["zh", "en"] = Field(default="en", description="Language of the command line.")
    threads: int = Field(default=2, ge=1, description="Threads of the analytic engine.")
    memory: str = Field(
        default="2GB",
        pattern=r"^[0-9]+(\.[0-9]+)? ?[KMGT]i?B$",
        description="Memory of the analytic engine, such as 2GB or 512MiB.",
    )
    engine: str = Field(
        default=DUCKDB,
        description="Engine of linking and fusing: duckdb, or the address of a Spark master.",
    )
    exchange_rows: int = Field(
        default=50_000, ge=1, le=1_000_000, description="Rows of one file of an exchange at most."
    )
    audit_years: int = Field(
        default=3, ge=3, description="Years for which personal parts of the audit log are kept."
    )
    trusted_proxies: str | None = Field(
        default=None, description="Networks of proxies whose X-Forwarded-For is believed."
    )
    host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port the API listens on.")

    @field_validator("database_url")
    @classmethod
    def _is_an_address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            parse_url(url.get_secret_value())
        return url

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str | None) -> str | None:
        networks(text or "")
        return text

    @field_validator("engine")
    @classmethod
    def _is_an_engine(cls, engine: str) -> str:
        return engine_name(engine)

    @property
    def lake_root(self) -> str:
        """Where the lake is."""
        return self.lake_url or str(self.home.absolute() / "lake")

    @property
    def limits(self) -> EngineLimits:
        """What one analytic run may use."""
        return EngineLimits(
            threads=self.threads,
            memory=self.memory,
            spill=self.home.absolute() / "spill",
            engine=self.engine,
        )


def read_settings() -> Settings:
    """The settings of this process.

    Raises:
        BadInput: a variable has a value it cannot have.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "HUB_" + str(first["loc"][0]).upper()
        raise BadInput(field=name, rule=rule_of(first)) from error
