-- Broadcasts of an app are listed alone, however many pushes to one device lie between them.

CREATE INDEX broadcasts_of_app ON pushes (app, created_at) WHERE audience <> 'listed';
