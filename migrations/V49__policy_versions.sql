-- Policy files in every version that this database has met, so that what was decided by one can be decided again. Can be run again.

create table if not exists policy_versions (
    digest text primary key check (char_length(digest) = 64),
    name text not null check (char_length(name) between 1 and 64),
    content jsonb not null,
    recorded_at timestamptz not null default now()
);
