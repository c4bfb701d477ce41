// SPDX-License-Identifier: MIT
//
// Rows about files, which Tokio reads and writes on threads for blocking calls. Each run makes its
// files in the working directory first, and removes them at the end; so they are in the page cache.

use crate::{Clock, Measured};
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

const BLOCK: usize = 4096;
const CATS: u64 = 64;
const CAT_SIZE: usize = 1024;

struct Folder(PathBuf);

impl Folder {
    fn make(count: u64, size: usize) -> Folder {
        let folder = Folder(PathBuf::from(format!("bench_files_{}", std::process::id())));

        std::fs::create_dir(&folder.0).unwrap();
        for i in 0..count {
            std::fs::write(folder.0.join(i.to_string()), vec![b'f'; size]).unwrap();
        }
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

async fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).await.unwrap()
}

pub async fn file_read(n: u64) -> Measured {
    let folder = Folder::make(1, BLOCK);
    let mut file = open(&folder.0.join("0")).await;
    let mut block = vec![0; BLOCK];
    let clock = Clock::start();
    let task = tokio::spawn(async move {
        for _ in 0..n {
            file.seek(SeekFrom::Start(0)).await.unwrap();
            file.read_exact(&mut block).await.unwrap();
        }
    });

    task.await.unwrap();
    clock.stop(n)
}

pub async fn file_write(n: u64) -> Measured {
    let folder = Folder::make(1, BLOCK);
    let mut file = open(&folder.0.join("0")).await;
    let block = vec![b'f'; BLOCK];
    let clock = Clock::start();
    let task = tokio::spawn(async move {
        for _ in 0..n {
            file.seek(SeekFrom::Start(0)).await.unwrap();
            file.write_all(&block).await.unwrap();
            file.flush().await.unwrap();
        }
    });

    task.await.unwrap();
    clock.stop(n)
}

pub async fn cat_many(n: u64) -> Measured {
    let folder = Folder::make(n, CAT_SIZE);
    let clock = Clock::start();
    let tasks: Vec<_> = (0..CATS)
        .map(|first| {
            let folder = folder.0.clone();

            tokio::spawn(async move {
                for i in (first..n).step_by(CATS as usize) {
                    let bytes = tokio::fs::read(folder.join(i.to_string())).await.unwrap();

                    assert_eq!(bytes.len(), CAT_SIZE);
                }
            })
        })
        .collect();

    for task in tasks {
        task.await.unwrap();
    }
    clock.stop(n)
}
