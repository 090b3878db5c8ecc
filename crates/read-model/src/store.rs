//! The connection to MongoDB.

use std::time::Duration;

use bson::{Document, doc};
use mongodb::{
    Client, Collection, Database,
    options::{ClientOptions, Tls, TlsOptions, WriteConcern},
};
use secrecy::ExposeSecret;

use crate::{ReadError, Settings};

/// The database that holds the views. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    database: Database,
}

impl Store {
    /// Connects; MongoDB must answer.
    pub async fn connect(settings: &Settings) -> Result<Self, ReadError> {
        let mut options = ClientOptions::parse(settings.mongodb_url.expose_secret()).await?;
        options.app_name = Some("chasqui".to_owned());
        options.max_pool_size = Some(settings.pool_max);
        options.server_selection_timeout = Some(settings.mongodb_timeout);
        options.connect_timeout = Some(settings.mongodb_timeout.min(Duration::from_secs(10)));
        if let Some(file) = &settings.mongodb_ca {
            options.tls = Some(Tls::Enabled(TlsOptions::builder().ca_file_path(file.clone()).build()));
        }
        // The driver's default is w:1; what a checkpoint says must survive the loss of a primary.
        options.write_concern = Some(WriteConcern::majority());
        let client = Client::with_options(options)?;
        let store = Self { database: client.database(&settings.database), client };
        store.ping().await?;
        Ok(store)
    }

    /// Asks for a sign of life.
    pub async fn ping(&self) -> Result<(), ReadError> {
        self.database.run_command(doc! { "ping": 1 }).await?;
        Ok(())
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn collection(&self, name: &str) -> Collection<Document> {
        self.database.collection(name)
    }
}
