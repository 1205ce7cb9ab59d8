-- Statistics are taken when PostgreSQL gets round to it, and early ones say that an organisation has a session or two, and a session a
-- change or two. By them every index that begins with the organisation, or with the session, is as good as any other, for the checks of
-- references above all, which cannot be worded so that only one will do; and what is planned so reads all sessions of an organisation, or
-- all changes of a session, for each row that refers to one of them. So the planner is told, whatever it has seen, that there are few of
-- them with many rows each: then the index on all of the columns that are asked for is the better one.
alter table session_changes alter column session_id set (n_distinct = 10);
alter table test_sessions alter column organisation_id set (n_distinct = 10);
alter table users alter column organisation_id set (n_distinct = 10);
