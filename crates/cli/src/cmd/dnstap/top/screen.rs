//! The figures on a whole terminal.

mod view;

use core::time::Duration;
use std::io;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

use self::view::View;
use super::figures::Figures;
use crate::stop::Stop;

/// How often the keyboard's thread looks whether anybody still listens.
const GLANCE: Duration = Duration::from_millis(100);
/// Keys that wait to be heard.
const AHEAD: usize = 16;

/// What somebody at the keyboard wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    Freeze,
    Sort,
    Help,
    /// The terminal has another size.
    Redraw,
}

/// What comes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    End,
}

/// The terminal, which is as it was when this is dropped.
#[derive(Debug)]
pub(super) struct Screen {
    terminal: DefaultTerminal,
    keys: mpsc::Receiver<Key>,
    view: View,
    stop: Stop,
}

impl Screen {
    /// Takes the terminal over; a panic and a second signal give it back too.
    pub(super) fn open(stop: &Stop) -> io::Result<Option<Self>> {
        // A signal may come before all of it is taken.
        stop.before_exit(ratatui::restore);
        let terminal = ratatui::try_init().inspect_err(|_| stop.restore())?;
        let (tell, keys) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || listen(&tell));
        Ok(Some(Self {
            terminal,
            keys,
            view: View::default(),
            stop: stop.clone(),
        }))
    }

    /// The next key that means something; never without a screen or a keyboard.
    pub(super) async fn key(screen: &mut Option<Self>) -> Key {
        let key = match screen {
            Some(screen) => screen.keys.recv().await,
            None => None,
        };
        match key {
            Some(key) => key,
            None => core::future::pending().await,
        }
    }

    pub(super) fn press(&mut self, key: Key) -> io::Result<Next> {
        if key == Key::Quit {
            return Ok(Next::End);
        }
        self.view.press(key);
        self.draw().map(|()| Next::Go)
    }

    pub(super) fn remark(&mut self, text: String) {
        self.view.remark(text);
    }

    pub(super) fn show(&mut self, figures: Figures) -> io::Result<()> {
        self.view.take(figures);
        self.draw()
    }

    fn draw(&mut self) -> io::Result<()> {
        let Self { terminal, view, .. } = self;
        terminal.draw(|frame| view.draw(frame)).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.stop.restore();
    }
}

fn listen(tell: &mpsc::Sender<Key>) {
    while !tell.is_closed() {
        match event::poll(GLANCE) {
            Ok(false) => {}
            Ok(true) => {
                let Ok(event) = event::read() else { return };
                if meaning(&event).is_some_and(|key| tell.blocking_send(key).is_err()) {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// Ctrl-C is a key here: the terminal makes no signal of it.
fn meaning(event: &Event) -> Option<Key> {
    match event {
        Event::Resize(..) => Some(Key::Redraw),
        Event::Key(key) if key.kind != KeyEventKind::Release => match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Quit),
            KeyCode::Char('q') | KeyCode::Esc => Some(Key::Quit),
            KeyCode::Char(' ') => Some(Key::Freeze),
            KeyCode::Char('s') => Some(Key::Sort),
            KeyCode::Char('?') => Some(Key::Help),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;
