-- Which sessions a user has written to or fetched lately: a change that builds on a change of one of them belongs there, and is not to
-- wait in another session for ever. One row for each user, so that it is bounded and one look tells all of it.
create table recent_sessions (
    organisation_id uuid not null,
    user_id uuid not null,
    -- The last one first. A session that is none, or is gone, does no harm: nothing is found in it.
    session_ids uuid[] not null check (cardinality(session_ids) between 1 and 64),
    primary key (organisation_id, user_id),
    foreign key (organisation_id, user_id) references users (organisation_id, id)
);
call protect_tenant_table('recent_sessions');
