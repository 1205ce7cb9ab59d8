-- What is done with keys stands in the audit log of whose data it is.

-- Re-encryption goes over all tenants. It adds to the log of each that it touches, and reads nothing of any.
create policy personal_data_add on audit_log for insert
    with check ((select firemode_purpose()) = 'personal_data');
