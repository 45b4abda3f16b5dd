-- How far an Android device is into what Google lets one device have in a minute and in an hour:
-- the times at which all of it is given back. NULL where no direct push was counted.
ALTER TABLE devices ADD COLUMN fcm_minute INTEGER;
ALTER TABLE devices ADD COLUMN fcm_hour INTEGER;
