from tqdm import tqdm
n = int(input())
a = list(map(int, input().split()))
print(sum(tqdm(a)))
