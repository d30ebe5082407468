"""The database: the models' base, the engine, the one place that commits, the school's context.

Row-level security lets a transaction see one school only, the one that `enter_school` named; a
transaction that named none sees no tenant's row. Nothing else in the program sets it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import date, datetime
from functools import partial
from itertools import chain
from typing import Annotated, Any, Final, Literal, TypeVar, cast
from uuid import UUID

from asyncpg.pgproto import pgproto
from fastapi import Depends, Request
from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    ForeignKeyConstraint,
    MetaData,
    Select,
    Table,
    Text,
    Uuid,
    column,
    event,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.sql.elements import ColumnElement
from uuid_utils import uuid7

from itschool_api.money import Cents

APPLICATION_ROLE = "itschool_app"
_STATEMENT_TIMEOUT_MS = 60_000
_LOCK_TIMEOUT_MS = 15_000
_BEFORE_COMMIT = "before_commit"
_SCHOOL = "school"
_ROWS_A_STATEMENT: Final = 64

Sessions = async_sessionmaker[AsyncSession]
# A SELECT of any columns; SQLAlchemy's own type counts them one by one.
Selection = Select[*tuple[Any, ...]]
Row = TypeVar("Row")


class Base(DeclarativeBase):
    """The root of all models; every constraint has a name."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own protocol
        Cents: BigInteger,
        UUID: Uuid,
        date: Date,
        datetime: DateTime(timezone=True),
        str: Text,
    }


def new_id() -> UUID:
    """Return a UUIDv7 (RFC 9562): unique, and near its neighbours in an index."""
    # The driver's own kind of `uuid.UUID`, as rows have it: made three times as fast.
    made: UUID = pgproto.UUID(uuid7().bytes)
    return made


class TenantOwned:
    """Primary key `(school_id, id)`: a row belongs to one school and is found only through it."""

    school_id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-2)
    id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-1, default=new_id)


def tenant_key(table: str, column: str, *, ondelete: str | None = None) -> ForeignKeyConstraint:
    """Return a foreign key to `table` that cannot cross schools."""
    return ForeignKeyConstraint(
        ["school_id", column], [f"{table}.school_id", f"{table}.id"], ondelete=ondelete
    )


def school_key() -> ForeignKeyConstraint:
    """Return the foreign key of a tenant's table to its school."""
    return ForeignKeyConstraint(["school_id"], ["schools.id"])


def create_engine(url: str, *, pool_size: int = 10) -> AsyncEngine:
    """Return an engine whose statements and waits for locks are bounded in time."""
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,  # an error's words end in a log, and parameters are people's data
        connect_args={
            "server_settings": {
                "application_name": "itschool-api",
                "statement_timeout": str(_STATEMENT_TIMEOUT_MS),
                "lock_timeout": str(_LOCK_TIMEOUT_MS),
                "jit": "off",
            }
        },
    )
    event.listen(engine.sync_engine, "first_connect", partial(_find_nodes, engine))
    event.listen(engine.sync_engine, "connect", _never_wait_for_the_dead)
    return engine


def _never_wait_for_the_dead(connection: Any, _: object) -> None:
    """Let go of a statement with very many rows whose connection is lost.

    asyncpg 0.32 pauses when the socket is full, and nobody tells it that the socket is gone: an
    import would hang for ever, and with it all imports after it.
    """
    connection.driver_connection.add_termination_listener(
        lambda lost: lost._protocol.resume_writing()  # noqa: SLF001 - there is no other way in
    )


def _find_nodes(engine: AsyncEngine, connection: Any, _: object) -> None:
    """Note whether the tables are spread over the nodes of a cluster (Citus)."""
    cursor = connection.cursor()
    cursor.execute("SELECT to_regclass('pg_dist_partition') IS NOT NULL")
    (is_cluster,) = cursor.fetchone()
    cursor.close()
    connection.rollback()
    engine.sync_engine.update_execution_options(is_cluster=is_cluster)


def create_sessions(engine: AsyncEngine) -> Sessions:
    """Return the maker of sessions."""
    return async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def unit_of_work(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """Commit at the end, after what was asked to be the last; roll back where the body raises."""
    async with sessions() as session:
        yield session
        for work in session.info.pop(_BEFORE_COMMIT, ()):
            await work(session)
        await session.commit()


async def transaction(request: Request) -> AsyncIterator[AsyncSession]:
    """Commit when the endpoint returns, roll back when it raises."""
    async with unit_of_work(request.app.state.sessions) as session:
        yield session


# "function" ends the transaction before the response leaves the server.
Transaction = Annotated[AsyncSession, Depends(transaction, scope="function")]


def before_commit(session: AsyncSession, work: Callable[[AsyncSession], Awaitable[None]]) -> None:
    """Let `work` be the last that a unit of work does; a refusal leaves it undone."""
    session.info.setdefault(_BEFORE_COMMIT, []).append(work)


def school_setting(school: UUID | ColumnElement[str]) -> ColumnElement[str]:
    """Return the column that, selected, makes `school` the transaction's school.

    The statement that carries it may read global tables only: a policy of the same statement can
    still see the former value.
    """
    return func.set_config(
        "app.school_id", str(school) if isinstance(school, UUID) else school, True
    )


async def enter_school(session: AsyncSession, school_id: UUID) -> None:
    """Make `school_id` the school that this transaction sees."""
    await session.execute(select(school_setting(school_id)))
    await entered(session, school_id)


async def entered(session: AsyncSession, school_id: UUID) -> None:
    """Keep in mind that `school_id` was set (`school_of`), and make the other nodes see it as well.

    Citus passes `SET LOCAL` on to them (with `citus.propagate_set_commands = 'local'`), but not
    what a function set. Without a cluster nothing is sent.
    """
    session.info[_SCHOOL] = school_id
    if session.get_bind().get_execution_options().get("is_cluster"):
        await session.execute(text(f"SET LOCAL app.school_id = '{school_id}'"))


def school_of(session: AsyncSession) -> UUID | None:
    """Return the school that was entered; None: none was."""
    school_id: UUID | None = session.info.get(_SCHOOL)
    return school_id


@asynccontextmanager
async def school_transaction(sessions: Sessions, school_id: UUID) -> AsyncIterator[AsyncSession]:
    """Open a transaction within a school, outside of any request."""
    async with unit_of_work(sessions) as session:
        await enter_school(session, school_id)
        yield session


@asynccontextmanager
async def released(session: AsyncSession, school_id: UUID | None) -> AsyncIterator[None]:
    """Give the connection back while the body does not need it, such as during an upload.

    Only before the endpoint wrote anything: what came before (the caller's own traces, such as
    when a key was last used) is kept, and its locks are let go. Who logs in has no school yet.
    """
    await session.commit()
    yield
    if school_id is not None:
        await enter_school(session, school_id)


async def held(
    session: AsyncSession,
    model: type[Row],
    school_id: UUID,
    row_id: UUID,
    lock: Literal[True] | dict[str, bool] = True,
) -> Row | None:
    """Return a row that nobody else changes until the transaction ends, as it is now.

    What the session had read of it before it waited for the lock may be no longer true, and would
    be kept without `populate_existing`. A weaker `lock` is one of `with_for_update`'s.
    """
    return await session.get(
        model, (school_id, row_id), with_for_update=lock, populate_existing=True
    )


async def alone(session: AsyncSession, doing: str) -> None:
    """Let no other transaction do this until the transaction ends.

    By an advisory lock: what has to stay true is about rows that others hold, or add.
    """
    key = func.hashtextextended(doing, 0)
    await session.execute(select(func.pg_advisory_xact_lock(key)))


async def insert_many(
    session: AsyncSession, model: type[Base], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows in one batch.

    Through the table and not the model: the ORM would make a batch of each run of rows with the
    same nulls, and takes twice the time.
    """
    if rows:
        await session.execute(insert(cast("Table", model.__table__)), rows)


async def insert_rows(
    session: AsyncSession,
    model: type[Base],
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    **same: Any,
) -> None:
    """Insert very many rows of these columns, and of those in which all rows are the `same`.

    The values are as the driver takes them: nothing is converted. Rows that share a statement cost
    half of what they cost one by one; beyond 64 nothing is gained. `INSERT … SELECT FROM
    unnest(…)` is no faster, and Citus refuses it under row-level security.
    """
    name = cast("Table", model.__table__).name
    connection = await session.connection()
    in_common = tuple(same.values())
    shared = len(rows) - len(rows) % _ROWS_A_STATEMENT
    if shared:
        await connection.exec_driver_sql(
            _insertion(name, [*same], columns, _ROWS_A_STATEMENT),
            [
                (*in_common, *chain.from_iterable(rows[at : at + _ROWS_A_STATEMENT]))
                for at in range(0, shared, _ROWS_A_STATEMENT)
            ],
        )
    if shared < len(rows):
        await connection.exec_driver_sql(
            _insertion(name, [*same], columns, 1), [(*in_common, *row) for row in rows[shared:]]
        )


def _insertion(table: str, same: Sequence[str], columns: Sequence[str], rows: int) -> str:
    """Return the statement that inserts so many rows; its first parameters are theirs in common."""
    in_common = [f"${place}" for place in range(1, len(same) + 1)]
    first = len(same) + 1
    values = ", ".join(
        f"({', '.join([*in_common, *(f'${start + place}' for place in range(len(columns)))])})"
        for start in range(first, first + rows * len(columns), len(columns))
    )
    # Names of the models, and numbers of parameters: nothing of anybody else's.
    return f"INSERT INTO {table} ({', '.join([*same, *columns])}) VALUES {values}"  # noqa: S608


async def update_many(
    session: AsyncSession,
    model: type[Base],
    school_id: UUID,
    rows: Sequence[Mapping[str, Any]],
    *conditions: ColumnElement[bool],
) -> None:
    """Change a school's rows by their ids in one statement, those that meet the conditions.

    All rows name the same columns.
    """
    if not rows:
        return
    table = cast("Table", model.__table__)
    columns = [table.c[name] for name in rows[0]]
    values = (
        func.unnest(
            *(literal([row[each.name] for row in rows], ARRAY(each.type)) for each in columns)
        )
        .table_valued(*(column(each.name, each.type) for each in columns))
        .render_derived(name="changed")
    )
    await session.execute(
        update(table)
        .where(table.c.school_id == school_id, table.c.id == values.c.id, *conditions)
        .values({each.name: values.c[each.name] for each in columns if each.name != "id"})
    )


async def join_whole_tables(session: AsyncSession) -> None:
    """Let what follows in the transaction join by hashing or merging, as fits whole tables.

    Just after very many rows came, the planner has no statistics of them, expects a few, and would
    go through one table for each row of another.
    """
    await session.execute(text("SET LOCAL enable_nestloop = off"))


@asynccontextmanager
async def despite_refusal(session: AsyncSession) -> AsyncIterator[None]:
    """Keep what the body writes, and nothing that the transaction did before it.

    For what must outlive the refusal that follows, such as a count of failures. Not on a second
    connection: requests that hold one and wait for another starve the pool together.
    """
    await session.rollback()
    yield
    await session.commit()


@contextmanager
def refusing(constraint: str, refusal: Exception) -> Iterator[None]:
    """Raise `refusal` where the database refuses by `constraint`."""
    try:
        yield
    except IntegrityError as error:
        cause = getattr(error.orig, "__cause__", None)
        if getattr(cause, "constraint_name", None) == constraint:
            raise refusal from error
        raise
