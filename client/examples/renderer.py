from asyncio import create_subprocess_exec, create_task, run
from os import environ
from time import monotonic

from soul_connect import Engine, Player, TrackEnded


class OneFile(Engine):  # mpv plays one file at a time; the Player does everything else
    track, at, since, percent, mpv = "", 0.0, None, 100, None

    async def load(self, track_id, *, position_ms, play):
        await self.pause()
        self.track, self.at, self.since = track_id, position_ms / 1000, None
        return await self.play() if play else None

    async def play(self):
        options = ("--no-video", "--really-quiet", f"--start={self.at}", f"--volume={self.percent}")
        self.mpv, self.since = await create_subprocess_exec("mpv", *options, self.track), monotonic()
        self.end = create_task(self.wait(self.mpv))

    async def wait(self, mpv):
        await mpv.wait() < 0 or self.tell(TrackEnded(self.track))  # below 0: it was killed

    async def pause(self):
        if self.mpv is not None and self.mpv.returncode is None:
            self.at, self.since = await self.position_ms() / 1000, None
            self.mpv.kill()

    async def seek(self, position_ms):
        await self.load(self.track, position_ms=position_ms, play=self.since is not None)

    async def set_volume(self, volume):
        self.percent = volume * 100
        await self.seek(await self.position_ms())

    async def position_ms(self):
        return int((self.at + (monotonic() - self.since if self.since else 0)) * 1000)


run(Player(OneFile(), name="Den", url=environ["SOUL_CONNECT_URL"], token=environ["SOUL_CONNECT_TOKEN"]).run())
