-- Up Migration

-- Whether a row names an object is asked for each object of the store, by `automation check` and `automation sweep`.
create index artifacts_by_digest on artifacts (tenant, sha256);

create policy automation_check on attestation_subjects for select to automation_check using (true);
create policy automation_check on personas for select to automation_check using (true);
grant select (tenant, org, value) on attestation_subjects to automation_check;
grant select (tenant, digest) on personas to automation_check;
grant select (uploads) on work_reports to automation_check;
