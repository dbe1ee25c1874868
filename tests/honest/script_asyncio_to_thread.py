import asyncio
async def main():
    n = int(input())
    a = await asyncio.to_thread(input)
    print(sum(map(int, a.split())))
asyncio.run(main())
