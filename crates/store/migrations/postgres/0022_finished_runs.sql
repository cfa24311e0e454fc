-- A job may be made from two files: a bootloader, which is the program, and the finished run that it runs once more.
ALTER TABLE work_inputs
    DROP CONSTRAINT work_inputs_role_check,
    ADD CONSTRAINT work_inputs_role_check CHECK (role IN ('program', 'finished_run'));
